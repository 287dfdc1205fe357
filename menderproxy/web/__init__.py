"""What a device can ask for: one product feature, one module."""
