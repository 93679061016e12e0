"""Labels of robot data: LeRobot."""
