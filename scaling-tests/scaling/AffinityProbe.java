package scaling;

import client.WebSocketConnection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Asks for workers by name, and sees which answer.
final class AffinityProbe {
    static final String HEADER = "X-Runpod-Worker-Id";
    private static final int MAX_WORKERS = 4;
    private static final int REQUESTS = 5;
    private static final int UPGRADES = 3;

    /// What came of asking in one way.
    ///
    /// @param kept answered by the worker that was asked for
    /// @param lost answered by another
    /// @param unknown answered without an id, or not answered
    record Tally(int kept, int lost, int unknown) {
        private Tally plus(String wanted, String got) {
            return got.isEmpty()
                    ? new Tally(kept, lost, unknown + 1)
                    : got.equals(wanted) ? new Tally(kept + 1, lost, unknown) : new Tally(kept, lost + 1, unknown);
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

    AffinityProbe(Probe probe, Collection<String> workers) {
        this.probe = probe;
        this.workers = new ArrayList<>(workers);
    }

    void run() throws InterruptedException {
        if (workers.size() < 2) {
            return;
        }
        for (var wanted : workers.subList(0, Math.min(MAX_WORKERS, workers.size()))) {
            for (var form : List.of("", "strict ")) {
                for (var i = 0; i < REQUESTS; i++) {
                    count("requests" + (form.isEmpty() ? "" : ", strict"), wanted, request(form + wanted));
                }
            }
            for (var i = 0; i < UPGRADES; i++) {
                count("upgrades", wanted, upgrade(wanted));
            }
        }
    }

    private synchronized void count(String way, String wanted, String got) {
        tallies.put(way, tally(way).plus(wanted, got));
    }

    private String request(String value) throws InterruptedException {
        var answer = probe.calls().get("/ping", Map.of(HEADER, value));
        return answer.isOk() ? answer.worker() : "";
    }

    private String upgrade(String worker) {
        try (var socket = WebSocketConnection.open(probe.options().target(), "/ws", Map.of(HEADER, worker))) {
            return socket.worker();
        } catch (IOException _) {
            return "";
        }
    }

    /// The ids that were seen before anything was asked for.
    List<String> workers() {
        return workers;
    }

    synchronized Tally tally(String way) {
        return tallies.getOrDefault(way, new Tally(0, 0, 0));
    }

    synchronized Map<String, Tally> tallies() {
        return new LinkedHashMap<>(tallies);
    }
}
