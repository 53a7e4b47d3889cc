package dev.llmworker.soak;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/// Many connections at once, or one after the other.
final class Crowds {
    private static final int CHURN = 1_000;
    private static final int IDLE = 10_000;
    private static final int OPEN = 500;
    private static final int STREAMING = 20;
    private static final int MAX_BYTES_A_SOCKET = 20 << 10;
    private static final Pattern SLOTS = Pattern.compile("(?m)^llmworker_slots (\\S+)");

    private final WorkerUnderTest worker;
    private final Findings findings;

    Crowds(WorkerUnderTest worker, Findings findings) {
        this.worker = worker;
        this.findings = findings;
    }

    void churn() throws Exception {
        var before = worker.sample();
        for (var i = 0; i < CHURN; i++) {
            try (var wire = new Wire(worker.port)) {
                switch (i % 4) {
                    case 0 -> wire.send(Wire.get("/ping")).answer();
                    case 1 -> wire.upgrade();
                    case 2 -> wire.upgrade().reset();
                    default ->
                        wire.send(Wire.post("/generate", Prompts.generate("x", 1, "")))
                                .reset();
                }
            }
        }
        awaitNone();
        var after = worker.sample();
        findings.check(
                after.descriptors() <= before.descriptors() + 20 && after.threads() <= before.threads() + 40,
                CHURN + " connections one after the other: before " + before + "; after " + after);
    }

    void idle() throws Exception {
        var before = worker.sample();
        var sockets = open(IDLE);
        var with = worker.sample();
        var bytes = (with.rssKilobytes() - before.rssKilobytes()) * 1024 / IDLE;
        findings.check(
                bytes <= MAX_BYTES_A_SOCKET && slowestPing() < 1000,
                IDLE + " idle sockets: " + bytes + " bytes each, /ping " + slowestPing() + " ms at most; " + with);
        closeAll(sockets);
        awaitNone();
        sockets = open(OPEN);
        var streaming = sockets.subList(0, STREAMING);
        ask(streaming, 64);
        var slowest = slowestPing();
        read(streaming, 64);
        findings.check(
                slowest < 1000,
                OPEN + " sockets, " + STREAMING + " of them streaming: /ping " + slowest + " ms at most");
        closeAll(sockets);
        awaitNone();
    }

    /// Streams in all slots at once, so that all of the cache is in memory that clients with shorter answers can reach.
    void fillSlots(int tokens) throws Exception {
        String metrics;
        try (var wire = new Wire(worker.port)) {
            metrics = wire.send(Wire.get("/metrics")).answer().body();
        }
        var slots = SLOTS.matcher(metrics);
        if (slots.find()) {
            var sockets = open((int) Double.parseDouble(slots.group(1)));
            ask(sockets, tokens);
            read(sockets, tokens);
            closeAll(sockets);
            findings.note(sockets.size() + " streams of " + tokens + " tokens at once: " + worker.sample());
        }
    }

    private static void ask(List<Wire> sockets, int tokens) throws IOException {
        for (var socket : sockets) {
            socket.text(Prompts.generate("Count for ever", tokens, ",\"ignore_eos\":true"));
        }
    }

    private void read(List<Wire> sockets, int expected) throws IOException {
        // By turns, so that each is read all the time and answers pings.
        for (var token = 0; token <= expected; token++) {
            for (var socket : sockets) {
                var isLast = socket.frame().text().contains("\"done\"");
                if (isLast != (token == expected)) {
                    findings.violation("a stream beside others had not " + expected + " tokens: " + token);
                    return;
                }
            }
        }
    }

    private List<Wire> open(int count) throws IOException {
        var sockets = new ArrayList<Wire>(count);
        for (var i = 0; i < count; i++) {
            sockets.add(new Wire(worker.port).upgrade());
        }
        return sockets;
    }

    private static void closeAll(List<Wire> sockets) throws IOException {
        for (var socket : sockets) {
            socket.close();
        }
    }

    /// In milliseconds, of 20.
    private long slowestPing() throws IOException {
        var slowest = 0L;
        for (var i = 0; i < 20; i++) {
            var began = System.nanoTime();
            try (var wire = new Wire(worker.port)) {
                findings.status(wire.send(Wire.get("/ping")).answer().status(), "/ping");
            }
            slowest = Math.max(slowest, (System.nanoTime() - began) / 1_000_000);
        }
        return slowest;
    }

    /// More connections than the worker may have descriptors.
    void tooMany(int connections) throws Exception {
        var sockets = new ArrayList<Wire>();
        var refused = 0;
        for (var i = 0; i < connections; i++) {
            try {
                // Nothing is sent: an answer may not come while there is no descriptor left.
                sockets.add(new Wire(worker.port));
            } catch (IOException _) {
                refused++;
            }
        }
        Thread.sleep(3_000);
        closeAll(sockets);
        awaitNone();
        var answer = new Wire(worker.port)
                .send(Wire.post("/generate", Prompts.generate("x", 1, "")))
                .answer();
        findings.check(
                answer.status() == 200,
                connections + " connections at 1024 descriptors, " + refused + " refused: then /generate answers "
                        + answer.status() + "; " + worker.sample());
    }

    /// Waits until no WebSocket is open and nothing runs.
    void awaitNone() throws Exception {
        var stats = "";
        for (var tries = 0; tries < 100; tries++) {
            try (var wire = new Wire(worker.port)) {
                stats = wire.send(Wire.get("/stats")).answer().body();
                if (stats.contains("\"active_websocket_connections\":0")) {
                    return;
                }
            } catch (IOException _) {
                // Out of descriptors still.
            }
            Thread.sleep(100);
        }
        findings.violation("10 seconds after all clients have left: " + stats);
    }
}
