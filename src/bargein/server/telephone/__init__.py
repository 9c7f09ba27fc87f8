"""Telephone calls: webhooks, media sockets and the REST APIs of the telephone vendors."""
