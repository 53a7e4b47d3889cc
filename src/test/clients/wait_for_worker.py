"""The seed README's retry loop, with only the URL changed: exits 0 once the worker answers 200."""
import sys

import requests, time

def wait_for_worker(base_url, api_key, retries=5, delay=5):
    headers = {"Authorization": f"Bearer {api_key}"}
    for _ in range(retries):
        try:
            r = requests.get(f"{base_url}/ping", headers=headers, timeout=10)
            if r.status_code == 200:
                return True
        except Exception:
            pass
        time.sleep(delay)
    return False

sys.exit(0 if wait_for_worker(sys.argv[1], "RUNPOD_API_KEY", retries=30) else 1)
