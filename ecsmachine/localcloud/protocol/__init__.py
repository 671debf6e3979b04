"""Requests and answers as bytes, who sent them, and how names, ids, pages and refusals look."""
