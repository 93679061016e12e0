"""The stages, in the order that data takes: encode, label, align, probe; and run, which does them all."""
