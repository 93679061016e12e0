"""Labels that somebody wrote to a file: MOT, COCO, CVAT, Label Studio, YOLO."""
