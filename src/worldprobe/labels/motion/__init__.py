"""Labels by motion alone, and the camera's own motion."""
