"""The api-server's part of the plugin: answers to its views, and the views themselves."""
