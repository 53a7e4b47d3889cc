package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.WebSocketConnection;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Requests workers by their ids, and sees which of them answer.
final class AffinityProbe {
    static final String REQUESTS = "requests";
    private static final String STRICT = "requests, strict";
    static final String UPGRADES = "upgrades";
    private static final String HEADER = "X-Runpod-Worker-Id";
    private static final int MAX_WORKERS = 4;
    private static final int REQUESTS_OF_EACH = 5;
    private static final int UPGRADES_OF_EACH = 3;

    /// @param kept answered by the requested worker
    /// @param lost answered by another worker
    /// @param unknown answered without an id, or not answered
    record Tally(int kept, int lost, int unknown) {
        private Tally plus(String wanted, String got) {
            var isKept = got.equals(wanted);
            return got.isEmpty()
                    ? new Tally(kept, lost, unknown + 1)
                    : new Tally(kept + (isKept ? 1 : 0), lost + (isKept ? 0 : 1), unknown);
        }

        int asked() {
            return kept + lost + unknown;
        }

        boolean held() {
            return kept > 0 && lost == 0;
        }
    }

    private final Probe probe;
    private final List<String> workers;
    private final Map<String, Tally> tallies = new LinkedHashMap<>();

    /// @param workers the ids that were seen before
    AffinityProbe(Probe probe, Collection<String> workers) {
        this.probe = probe;
        this.workers = List.copyOf(workers);
    }

    void run() throws InterruptedException {
        if (workers.size() < 2) {
            return;
        }
        for (var wanted : workers.subList(0, Math.min(MAX_WORKERS, workers.size()))) {
            // One way after the other: in turns, a balancer that takes workers in turns would seem to heed the ids.
            for (var way : List.of(REQUESTS, STRICT)) {
                for (var i = 0; i < REQUESTS_OF_EACH; i++) {
                    count(way, wanted, request(way.equals(STRICT) ? "strict " + wanted : wanted));
                }
            }
            for (var i = 0; i < UPGRADES_OF_EACH; i++) {
                count(UPGRADES, wanted, upgrade(wanted));
            }
        }
    }

    private void count(String way, String wanted, String got) {
        tallies.put(way, tally(way).plus(wanted, got));
    }

    private String request(String value) throws InterruptedException {
        var answer = probe.client().get("/ping", Map.of(HEADER, value));
        return answer.isOk() ? answer.worker() : "";
    }

    private String upgrade(String worker) throws InterruptedException {
        try (var socket = probe.client().open(Map.of(HEADER, worker))) {
            return socket.worker();
        } catch (WebSocketConnection.NotOpenedException _) {
            return "";
        }
    }

    List<String> workers() {
        return workers;
    }

    Tally tally(String way) {
        return tallies.getOrDefault(way, new Tally(0, 0, 0));
    }

    Map<String, Tally> tallies() {
        return tallies;
    }
}
