"""What methods kept of a video, as pictures: of chosen frames, and of the cache over time."""
