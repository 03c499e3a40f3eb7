"""Raw data of a made-up landscape in the published layouts: input of the quickstart and of tests."""
