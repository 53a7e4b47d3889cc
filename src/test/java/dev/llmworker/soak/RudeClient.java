package dev.llmworker.soak;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Semaphore;
import java.util.regex.Pattern;

/// A client that leaves when it likes, sends what is no HTTP, and does not read.
final class RudeClient {
    private static final Pattern FAILURE = Pattern.compile("HTTP/1\\.[01] (5(?!03)\\d\\d) ");
    private static final int QUIET_MILLIS = 1500;
    private static final int STALL_MILLIS = 12_000;
    // Each holds a slot of the engine.
    private static final Semaphore STALLS = new Semaphore(2);

    private final int port;
    private final Findings findings;
    private final Random random;
    private final int longAnswer;

    /// @param longAnswer tokens that a client does not wait for
    RudeClient(int port, Findings findings, Random random, int longAnswer) {
        this.port = port;
        this.findings = findings;
        this.random = random;
        this.longAnswer = longAnswer;
    }

    void act() throws Exception {
        switch (random.nextInt(10)) {
            case 0, 1, 2 -> leaveHttp();
            case 3, 4, 5 -> leaveWebSocket();
            case 6 -> garbage();
            case 7 -> damagedRequest();
            case 8 -> damagedFrames();
            default -> stall();
        }
    }

    private void leave(Wire wire) throws IOException {
        switch (random.nextInt(3)) {
            case 0 -> wire.reset();
            case 1 -> wire.close();
            default -> {
                wire.halfClose();
                wire.rest(200);
            }
        }
    }

    private byte[] request() {
        var prompt = Prompts.ALL.get(random.nextInt(Prompts.ALL.size()));
        var stream = random.nextBoolean() ? ",\"stream\":true" : "";
        return random.nextBoolean()
                ? Wire.post("/generate", Prompts.generate(prompt, longAnswer, stream))
                : Wire.post("/v1/chat/completions", Prompts.chat(prompt, longAnswer, stream));
    }

    private void leaveHttp() throws Exception {
        findings.count("left HTTP");
        try (var wire = new Wire(port)) {
            var request = request();
            if (random.nextInt(3) == 0) {
                wire.send(Arrays.copyOf(request, random.nextInt(request.length)));
            } else {
                wire.send(request);
                Thread.sleep(random.nextInt(500));
            }
            leave(wire);
        }
    }

    private void leaveWebSocket() throws Exception {
        findings.count("left WebSocket");
        try (var wire = new Wire(port).upgrade()) {
            for (var prompts = random.nextInt(3); prompts > 0; prompts--) {
                wire.text(Prompts.generate("Count for ever", longAnswer, ""));
            }
            if (random.nextBoolean()) {
                Thread.sleep(random.nextInt(500));
            }
            if (random.nextBoolean()) {
                var frame = Wire.frame(Wire.TEXT, "{\"prompt\":\"half of this".getBytes(StandardCharsets.UTF_8));
                wire.send(Arrays.copyOf(frame, random.nextInt(frame.length)));
            }
            leave(wire);
        }
    }

    /// Looks at what comes back: anything but a failure of the worker.
    private void read(Wire wire, String of) throws IOException {
        var failures = FAILURE.matcher(wire.rest(QUIET_MILLIS));
        while (failures.find()) {
            findings.violation(of + " was answered by " + failures.group(1));
        }
    }

    private void send(Wire wire, byte[] bytes) {
        try {
            wire.send(bytes);
        } catch (IOException _) {
            // Closed by the worker already, as it may.
        }
    }

    private void garbage() throws Exception {
        findings.count("garbage");
        try (var wire = new Wire(port)) {
            var bytes = new byte[1 + random.nextInt(4000)];
            random.nextBytes(bytes);
            send(wire, bytes);
            read(wire, "garbage");
        }
    }

    private byte[] damaged(byte[] bytes) {
        var damaged = bytes.clone();
        for (var changes = 1 + random.nextInt(5); changes > 0; changes--) {
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
        }
        return damaged;
    }

    private void damagedRequest() throws Exception {
        findings.count("damaged request");
        try (var wire = new Wire(port)) {
            var body = Prompts.generate("short", 2, "");
            for (var requests = 1 + random.nextInt(3); requests > 0; requests--) {
                send(wire, damaged(Wire.post("/generate", body)));
            }
            read(wire, "a damaged request");
        }
    }

    private void damagedFrames() throws Exception {
        findings.count("damaged frames");
        try (var wire = new Wire(port).upgrade()) {
            var opcodes = List.of(0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x88);
            for (var frames = 1 + random.nextInt(6); frames > 0; frames--) {
                var payload = Prompts.generate("short", 1, "").getBytes(StandardCharsets.UTF_8);
                var frame = Wire.frame(opcodes.get(random.nextInt(opcodes.size())), payload);
                send(wire, random.nextBoolean() ? frame : damaged(frame));
            }
            wire.rest(QUIET_MILLIS);
        }
    }

    private void stall() throws Exception {
        if (!STALLS.tryAcquire()) {
            return;
        }
        findings.count("stalled reader");
        try (var wire = new Wire(port)) {
            if (random.nextBoolean()) {
                wire.send(request());
            } else {
                wire.upgrade().text(Prompts.generate("Count for ever", longAnswer, ""));
            }
            Thread.sleep(STALL_MILLIS);
            leave(wire);
        } finally {
            STALLS.release();
        }
    }
}
