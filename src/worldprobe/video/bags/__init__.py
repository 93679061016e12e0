"""mcap:FILE: recordings of ROS 2 as films, each beside what else was recorded."""
