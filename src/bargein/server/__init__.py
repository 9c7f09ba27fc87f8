"""The server: routes, who may call, what is measured, and which agents this machine has."""
