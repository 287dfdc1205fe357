"""The artifact cache: many devices, one download, never a wrong byte."""
