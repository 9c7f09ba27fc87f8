"""What is kept of calls, over HTTP: pages, sound and exports."""
