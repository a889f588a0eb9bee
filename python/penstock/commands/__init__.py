"""The commands of `python -m penstock`, one file each."""
