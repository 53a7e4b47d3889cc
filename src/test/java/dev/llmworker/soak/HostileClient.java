package dev.llmworker.soak;

import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;

/// A client that wants to stop the worker for all others. It comes from addresses of its own.
final class HostileClient {
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] (\\d{3}) ");
    private static final byte[] LETTERS = "x".repeat((1 << 20) - 1).getBytes(StandardCharsets.US_ASCII);
    private static final int REST_MILLIS = 200;
    private static final int HOLD_MILLIS = 4_000;
    private static final int MOST_HALF_BODIES = 40;
    private static final int CROWD = 150;
    private static final int FLOOD = 20_000;
    private static final int BIG_FLOOD = 8;

    private final int port;
    private final Findings findings;
    private final Random random;
    private final int longAnswer;
    private final String from;
    private final String crowdFrom;

    /// @param number of this client among its kind
    HostileClient(int port, Findings findings, Random random, int longAnswer, int number) {
        this.port = port;
        this.findings = findings;
        this.random = random;
        this.longAnswer = longAnswer;
        from = "127.0.0." + (2 + number % 2);
        crowdFrom = "127.0.0.4";
    }

    void act() throws Exception {
        switch (random.nextInt(19)) {
            case 0, 1 -> halfBodies();
            case 2 -> slowReader();
            case 3, 4 -> frames();
            case 5 -> crowd();
            case 6, 7 -> halfHandshake();
            case 8 -> drip();
            case 9, 10, 11 -> attack(Formats.ATTACKS.get(random.nextInt(Formats.ATTACKS.size())));
            default -> attack(Attack.ALL.get(random.nextInt(Attack.ALL.size())));
        }
    }

    private Wire open() throws IOException {
        return new Wire(port, from);
    }

    /// All of the port's answers to an attack are as they may be.
    void attack(Attack attack) throws Exception {
        var bytes = attack.request().apply(random);
        try (var wire = open()) {
            send(wire, bytes);
            var answered = "closed";
            try {
                var status = wire.head().status();
                check(attack, status);
                answered = Integer.toString(status);
                var more = STATUS.matcher(wire.rest(REST_MILLIS));
                while (more.find()) {
                    check(attack, Integer.parseInt(more.group(1)));
                }
            } catch (SocketTimeoutException _) {
                findings.violation(attack.name() + " was neither answered nor cut");
            } catch (IOException _) {
                // Closed without an answer, as it may be.
            }
            findings.count(attack.name() + ": " + answered);
        }
    }

    private void check(Attack attack, int status) {
        findings.status(status, attack.name());
        if (!attack.allowed().contains(status)) {
            findings.violation(attack.name() + " was answered by " + status);
        }
    }

    private static void send(Wire wire, byte[] bytes) {
        try {
            wire.send(bytes);
        } catch (IOException _) {
            // Cut already, as it may be.
        }
    }

    /// Bodies of a mebibyte that miss their end, with and without a key.
    private void halfBodies() throws Exception {
        findings.count("half bodies");
        var key = random.nextInt(3) == 0 ? "" : "X-API-Key: " + Wire.KEY + "\r\n";
        var head = ("POST /generate HTTP/1.1\r\nHost: worker\r\n" + key + "Content-Length: " + (LETTERS.length + 1)
                        + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII);
        var count = 1 + random.nextInt(MOST_HALF_BODIES);
        hold(count, wire -> {
            send(wire, head);
            send(wire, Arrays.copyOf(LETTERS, random.nextInt(LETTERS.length)));
        });
    }

    /// Connections without a key that do nothing, more than one address may have.
    private void crowd() throws Exception {
        findings.count("crowds of connections");
        var ping = Wire.getWith("/ping", "");
        var wires = new ArrayList<Wire>();
        try {
            for (var i = 0; i < CROWD; i++) {
                var wire = new Wire(port, crowdFrom);
                wires.add(wire);
                if (i % 2 == 0) {
                    send(wire, ping);
                }
            }
            Thread.sleep(random.nextInt(HOLD_MILLIS));
        } finally {
            closeAll(wires);
        }
    }

    private interface Use {
        void of(Wire wire) throws IOException;
    }

    private void hold(int count, Use use) throws Exception {
        var wires = new ArrayList<Wire>();
        try {
            for (var i = 0; i < count; i++) {
                var wire = open();
                wires.add(wire);
                use.of(wire);
            }
            Thread.sleep(random.nextInt(HOLD_MILLIS));
        } finally {
            closeAll(wires);
        }
    }

    private void closeAll(List<Wire> wires) throws IOException {
        for (var wire : wires) {
            if (random.nextBoolean()) {
                wire.reset();
            } else {
                wire.close();
            }
        }
    }

    /// Takes what it has asked for byte by byte, or not at all, until it is cut or has had enough.
    private void slowReader() throws Exception {
        findings.count("slow readers");
        var reads = random.nextBoolean();
        try (var wire = open()) {
            switch (random.nextInt(3)) {
                case 0 -> send(wire, Wire.post("/generate", Prompts.generate("Count", longAnswer, ",\"stream\":true")));
                case 1 -> {
                    for (var i = 0; i < 500; i++) {
                        send(wire, Wire.get("/metrics"));
                    }
                }
                default -> wire.upgrade().text(Prompts.generate("Count for ever", longAnswer, ""));
            }
            for (var i = 0; i < 100 && (!reads || wire.readByte() >= 0); i++) {
                Thread.sleep(HOLD_MILLIS / 40);
            }
        } catch (IOException _) {
            // Cut, as it may be.
        }
    }

    private byte[] flood() {
        var one = switch (random.nextInt(9)) {
            case 0 -> Wire.frame(0x89, new byte[125]);
            case 1 -> Wire.frame(0x8a, new byte[0]);
            case 2 -> Wire.frame(0x00, new byte[] {'x'});
            case 3 -> Wire.frame(0x00, new byte[0]);
            case 4 -> Wire.frame(Wire.TEXT, new byte[0]);
            case 5 -> Wire.frame(Wire.TEXT, "{\"cancel\":\"nobody\"}".getBytes(StandardCharsets.UTF_8));
            case 6 -> message(Prompts.generate("x", longAnswer, ""));
            case 7 -> message(Prompts.generate("x", longAnswer, ",\"id\":" + random.nextInt(20)));
            default -> message("{\"prompt\":\"x\",\"zzz\":" + "[".repeat(60) + "]".repeat(60) + "}");
        };
        var all = new byte[one.length * FLOOD];
        for (var i = 0; i < FLOOD; i++) {
            System.arraycopy(one, 0, all, i * one.length, one.length);
        }
        return all;
    }

    private static byte[] message(String json) {
        return Wire.frame(Wire.TEXT, json.getBytes(StandardCharsets.UTF_8));
    }

    /// Thousands of frames, or some of a mebibyte.
    private void frames() throws Exception {
        findings.count("floods of frames");
        try (var wire = open()) {
            wire.upgrade();
            if (random.nextInt(4) == 0) {
                var big = Wire.frame(random.nextBoolean() ? Wire.TEXT : 0x01, LETTERS);
                for (var i = 0; i < BIG_FLOOD; i++) {
                    send(wire, big);
                }
            } else {
                if (random.nextBoolean()) {
                    send(wire, Wire.frame(0x01, "{\"prompt\":\"".getBytes(StandardCharsets.UTF_8)));
                }
                send(wire, flood());
            }
            wire.rest(REST_MILLIS);
        } catch (IOException _) {
            // Cut, as it may be.
        }
    }

    /// Handshakes that stop amid the request, or whose client leaves before it has the answer.
    private void halfHandshake() throws Exception {
        findings.count("half handshakes");
        var handshake = Wire.handshake();
        var isWhole = random.nextBoolean();
        var frames = random.nextBoolean() ? message(Prompts.generate("x", longAnswer, "")) : new byte[0];
        hold(1 + random.nextInt(20), wire -> {
            if (isWhole) {
                send(wire, handshake);
                send(wire, frames);
                if (random.nextBoolean()) {
                    wire.reset();
                }
            } else {
                send(wire, Arrays.copyOf(handshake, random.nextInt(handshake.length)));
            }
        });
    }

    /// A request byte by byte, until it is cut.
    private void drip() throws Exception {
        findings.count("drips");
        var request = random.nextBoolean()
                ? Wire.get("/" + "a".repeat(10_000))
                : Wire.post("/generate", Prompts.generate("x".repeat(10_000), 1, ""));
        try (var wire = open()) {
            for (var octet : request) {
                wire.send(new byte[] {octet});
                Thread.sleep(50);
            }
            findings.violation("a request of " + request.length + " bytes was not cut although it came byte by byte");
        } catch (IOException _) {
            // Cut, as it should be.
        }
    }
}
