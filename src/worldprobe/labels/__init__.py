"""Labels of videos, in source pixels and frames: from truth, files and detectors. Knows no encoder."""
