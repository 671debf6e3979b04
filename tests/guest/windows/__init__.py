"""The program as it runs on Windows: Windows' Python under Wine, with Windows' wheels."""
