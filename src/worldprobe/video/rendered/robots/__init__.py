"""Simulated robots: an arm with a gripper over a table, in MuJoCo; physics makes the truth, in three dimensions."""
