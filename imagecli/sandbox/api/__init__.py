"""The sandbox's wire: requests, responses and streams of OpenAI's Images, Files and Batch API."""
