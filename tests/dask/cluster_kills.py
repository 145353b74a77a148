"""Trainings on a cluster whose workers are killed at random moments; run as a script, by a test.

Usage: python cluster_kills.py SEED SECONDS [one|all]. Prints a line of JSON for each training.
"""

import json
import random
import sys
import threading
import time

from cluster_data import cluster, kill, pids, trained, undisturbed

ITERATIONS = 120
WORKERS = 3
PARTITION_SECONDS = 0.05
MOST_DELAY = 1.5  # seconds before a kill, at most


def killed(local, client, source, mode):
    """Train while workers are killed; return how many were, and whether the end is right."""
    over, kills = threading.Event(), []

    def kill_some():
        begin = time.monotonic()
        while not over.wait(source.uniform(0, MOST_DELAY)):
            found = pids(local)
            some = found if mode == "all" else source.sample(found, min(1, len(found)))
            for pid in some:
                kill(pid)
            kills.append((round(time.monotonic() - begin, 2), len(some)))
            over.wait(1.0)  # nannies need some time

    thread = threading.Thread(target=kill_some)
    thread.start()
    begin = time.monotonic()
    try:
        found = trained(client, ITERATIONS, seconds=PARTITION_SECONDS)
    finally:
        over.set()
        thread.join()
    return {"seconds": round(time.monotonic() - begin, 2), "kills": kills, "is_right": found == undisturbed(ITERATIONS)}


if __name__ == "__main__":
    source, seconds = random.Random(int(sys.argv[1])), float(sys.argv[2])
    modes = sys.argv[3:] or ("one", "all")
    with cluster(WORKERS) as (local, client):
        deadline, index = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            mode = modes[index % len(modes)]
            print(json.dumps({"mode": mode, **killed(local, client, source, mode)}), flush=True)
            index += 1
