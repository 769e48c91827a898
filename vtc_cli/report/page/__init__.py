"""Results as one HTML file: read the lines of runs, work out what to show, draw it, and put it on a page."""
