"""Windows on a desk's snapshots. Nothing here holds trading state; a click is a command on the desk."""
