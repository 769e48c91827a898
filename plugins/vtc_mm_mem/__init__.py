"""MM-Mem: a pyramid of clips, events and concepts, built while a video is watched (arXiv 2603.01455)."""
