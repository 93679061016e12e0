"""Third parties' plug-ins: found by name, and held to the protocols."""
