"""What the API does, one use case a file. Each is called by a route, a command or a worker."""
