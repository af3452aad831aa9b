"""What stands between two processes: passes everything on, and misbehaves when it is told to. Nothing in mediaq knows of it."""
