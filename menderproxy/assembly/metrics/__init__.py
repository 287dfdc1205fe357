"""What the gateway tells of itself: each room's numbers under their names, and their server."""
