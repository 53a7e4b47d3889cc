package dev.llmworker.scaling;

import java.io.IOException;
import java.util.List;
import java.util.SortedSet;

/// Which workers answered when they were requested by their ids.
///
/// @param workers the ids that were seen; fewer than two cannot be told apart, and none is requested
record Affinity(SortedSet<String> workers, Tally requests, Tally strict, Tally upgrades) {
    private static final int MAX_WORKERS = 4;
    private static final int REQUESTS_OF_EACH = 5;
    private static final int UPGRADES_OF_EACH = 3;

    /// @param kept answered by the requested worker
    /// @param lost answered by another worker
    /// @param unknown answered without an id, or not answered
    record Tally(int kept, int lost, int unknown) {
        static final Tally NONE = new Tally(0, 0, 0);

        private Tally plus(String wanted, String got) {
            return got.isEmpty()
                    ? new Tally(kept, lost, unknown + 1)
                    : got.equals(wanted) ? new Tally(kept + 1, lost, unknown) : new Tally(kept, lost + 1, unknown);
        }

        String shown() {
            return kept + " of " + (kept + lost + unknown);
        }
    }

    static Affinity probe(Client client, SortedSet<String> workers) throws InterruptedException {
        var requests = Tally.NONE;
        var strict = Tally.NONE;
        var upgrades = Tally.NONE;
        for (var wanted : workers.size() < 2
                ? List.<String>of()
                : workers.stream().limit(MAX_WORKERS).toList()) {
            // One way after the other: in turns, a balancer that takes workers in turns would seem to heed the ids.
            for (var i = 0; i < REQUESTS_OF_EACH; i++) {
                requests = requests.plus(wanted, request(client, wanted));
            }
            for (var i = 0; i < REQUESTS_OF_EACH; i++) {
                strict = strict.plus(wanted, request(client, "strict " + wanted));
            }
            for (var i = 0; i < UPGRADES_OF_EACH; i++) {
                upgrades = upgrades.plus(wanted, upgrade(client, wanted));
            }
        }
        return new Affinity(workers, requests, strict, upgrades);
    }

    private static String request(Client client, String id) throws InterruptedException {
        var answer = client.get("ping", id);
        return answer.isOk() ? answer.worker() : "";
    }

    private static String upgrade(Client client, String id) throws InterruptedException {
        try (var socket = client.open(id)) {
            return socket.worker.join();
        } catch (IOException _) {
            return "";
        }
    }
}
