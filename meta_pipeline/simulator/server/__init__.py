"""The simulator at work: a socket, faults, a journal and the control plane around the API."""
