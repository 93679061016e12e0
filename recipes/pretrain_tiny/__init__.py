"""How the shipped ``vjepa2-tiny`` was made: V-JEPA 2's objective on rendered scenes, from nothing."""
