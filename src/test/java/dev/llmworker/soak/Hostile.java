package dev.llmworker.soak;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;

/// A soak by clients that want to stop the worker, beside some that want answers. Its heap is small, and so are its
/// limits, so that they are reached all the time.
final class Hostile {
    private static final int HONEST = 6;
    private static final int HOSTILE = 8;
    private static final int RUDE = 2;
    private static final int MAX_CONNECTIONS = 400;
    private static final int MAX_PING_MILLIS = 250;
    private static final double MAX_GROWTH = 1.25;
    /// Before, the heap grows to its limit.
    private static final int TREND_MINUTES = 5;
    private static final int WARM_UP_SECONDS = 15;
    private static final int QUIET_SECONDS = 40;
    private static final int SAMPLE_MILLIS = 1_000;
    /// The KV cache is small: the system gives it its memory when it is first written, so memory that grows is
    /// something else.
    private static final Map<String, String> SETTINGS = Map.of(
            "JAVA_OPTS", "-Xmx384m",
            "MAX_MODEL_LEN", "1024",
            "MAX_SLOTS", "16",
            "MAX_CONNECTIONS", Integer.toString(MAX_CONNECTIONS),
            "MAX_CONNECTIONS_PER_ADDRESS", "100",
            "HEADER_TIMEOUT", "5s",
            "BODY_TIMEOUT", "10s",
            "SEND_TIMEOUT", "10s");
    private static final Pattern ERROR = Pattern.compile("^\\S+ ERROR .*|.*(Exception|Error)(: .*)?$|^\\s+at .*");

    private final String engine;
    private final double minutes;
    private final long seed;
    private final File log;
    private final Findings findings;
    private final int longAnswer;

    Hostile(String engine, double minutes, long seed, File log, Findings findings) {
        this.engine = engine;
        this.minutes = minutes;
        this.seed = seed;
        this.log = log;
        this.findings = findings;
        longAnswer = engine.equals("mock") ? 900_000 : 400;
    }

    void run() throws Exception {
        var environment = new HashMap<>(SETTINGS);
        environment.put("ENGINE", engine);
        try (var worker =
                WorkerUnderTest.start(WorkerUnderTest.freePort(), "ulimit -n 1024", log, Map.copyOf(environment))) {
            var prompts = new Prompts(!engine.equals("mock"));
            prompts.learn(worker.port);
            warmUp(worker, prompts);
            var before = quiet(worker, prompts);
            var heapBefore = worker.liveHeapKilobytes();
            attack(worker, prompts);
            beyondAllConnections(worker, prompts);
            findings.check(worker.isAlive(), "the worker is alive");
            awaitFloor(worker, prompts, before);
            var heapAfter = worker.liveHeapKilobytes();
            var isFloor = isHeapFloor(heapAfter, heapBefore);
            findings.check(
                    isFloor, "live heap " + heapBefore / 1024 + " MiB before, " + heapAfter / 1024 + " MiB after");
            if (!isFloor) {
                worker.largestClasses().forEach(findings::note);
            }
            new Gauges(worker, findings).areZero();
            var code = worker.stop();
            findings.check(code == 0 || code == 143, "SIGTERM ends it with " + code);
        }
        new Handshakes(log, findings, new Random(seed)).run();
        readLog();
    }

    private HonestClient honest(WorkerUnderTest worker, Prompts prompts, int number) {
        return new HonestClient(worker.port, prompts, findings, new Random(seed + number), longAnswer);
    }

    private void warmUp(WorkerUnderTest worker, Prompts prompts) throws Exception {
        var mix = new Mix(worker.port, findings);
        for (var i = 0; i < HONEST; i++) {
            mix.client("honest " + i, honest(worker, prompts, i)::act);
        }
        Thread.sleep(WARM_UP_SECONDS * 1000L);
        mix.stop();
    }

    private WorkerUnderTest.Sample quiet(WorkerUnderTest worker, Prompts prompts) throws Exception {
        new Crowds(worker, findings).awaitNone();
        if (prompts.hasFormats()) {
            Formats.forget(worker.port, findings);
        }
        return worker.sample();
    }

    private void attack(WorkerUnderTest worker, Prompts prompts) throws Exception {
        var mix = new Mix(worker.port, findings);
        for (var i = 0; i < HONEST; i++) {
            mix.client("honest " + i, honest(worker, prompts, HONEST + i)::act);
        }
        for (var i = 0; i < HOSTILE; i++) {
            var client = new HostileClient(worker.port, findings, new Random(seed - 1 - i), longAnswer, i);
            mix.client("hostile " + i, client::act);
        }
        for (var i = 0; i < RUDE; i++) {
            var client = new RudeClient(worker.port, findings, new Random(seed - 1 - HOSTILE - i), longAnswer);
            mix.client("rude " + i, client::act);
        }
        var pings = mix.ping();
        var samples = new ArrayList<WorkerUnderTest.Sample>();
        var end = System.nanoTime() + (long) (minutes * 60e9);
        while (System.nanoTime() < end && worker.isAlive()) {
            Thread.sleep(SAMPLE_MILLIS);
            samples.add(worker.sample());
        }
        mix.stop();
        samples.stream().reduce(WorkerUnderTest.Sample::max).ifPresent(most -> findings.note("at most " + most));
        if (minutes >= TREND_MINUTES) {
            new Trend(samples, findings).isFlat("RSS in KiB", WorkerUnderTest.Sample::rssKilobytes, MAX_GROWTH, 0);
        }
        pings.checkPercentile(MAX_PING_MILLIS);
    }

    /// Connections without a key take all that there are. Those that are open go on, with their key.
    private void beyondAllConnections(WorkerUnderTest worker, Prompts prompts) throws Exception {
        var sockets = new ArrayList<Wire>();
        try (var kept = new Wire(worker.port);
                var socket = new Wire(worker.port).upgrade()) {
            findings.status(kept.send(Wire.get("/stats")).answer().status(), "/stats");
            for (var i = 0; i < 2 * MAX_CONNECTIONS; i++) {
                sockets.add(new Wire(worker.port, "127.0.0." + (10 + i % 16)));
            }
            var status = kept.send(Wire.get("/stats")).answer().status();
            var prompt = Prompts.ALL.getFirst();
            socket.text(Prompts.generate(prompt, Prompts.TOKENS, ""));
            prompts.check(findings, "/ws", prompt, Prompts.strings("token", socket.answerFrames()));
            findings.check(
                    status == 200,
                    "beside " + sockets.size() + " connections without a key, of " + MAX_CONNECTIONS
                            + ", /stats answers " + status + " on one that is kept");
        } finally {
            for (var wire : sockets) {
                wire.close();
            }
        }
    }

    /// Nobody is there any more: what clients have taken comes back, some of it when a time-out ends.
    private void awaitFloor(WorkerUnderTest worker, Prompts prompts, WorkerUnderTest.Sample before) throws Exception {
        var after = quiet(worker, prompts);
        for (var i = 0; i < QUIET_SECONDS && !isFloor(after, before); i++) {
            Thread.sleep(1_000);
            after = worker.sample();
        }
        findings.check(isFloor(after, before), "before " + before + "; after " + after);
    }

    static boolean isHeapFloor(long afterKilobytes, long beforeKilobytes) {
        return afterKilobytes <= beforeKilobytes * 1.1 + 4096;
    }

    static boolean isFloor(WorkerUnderTest.Sample after, WorkerUnderTest.Sample before) {
        return after.descriptors() <= before.descriptors() + 4 && after.threads() <= before.threads() + 8;
    }

    static boolean isError(String line) {
        return ERROR.matcher(line).matches();
    }

    /// No error that nobody has explained.
    private void readLog() throws IOException {
        try (var lines = Files.lines(log.toPath())) {
            var errors = lines.filter(Hostile::isError).toList();
            errors.stream().limit(30).forEach(line -> findings.note("log: " + line));
            findings.check(errors.isEmpty(), "the worker's log has " + errors.size() + " lines of errors");
            findings.note("its log has " + log.length() / 1_000_000 + " MB");
        }
    }
}
