package dev.llmworker.soak;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;

/// A soak of the worker: random clients, aborts and garbage for some minutes, then crowds, a full disk and
/// `kill -9`. Or a hostile soak: clients that want to stop the worker. It prints what holds and what does not,
/// and ends with 1 where something does not. From the project's folder:
///
/// ```
/// java src/test/java/dev/llmworker/soak/Soak.java [minutes] [djl|mock]
/// java src/test/java/dev/llmworker/soak/Soak.java hostile [minutes] [djl|mock] [seed]
/// ```
public final class Soak {
    private static final int HONEST = 12;
    private static final int RUDE = 12;
    private static final int SAMPLE_MILLIS = 5_000;
    private static final int WARM_UP_SECONDS = 60;
    private static final int DESCRIPTOR_LIMIT = 1024;
    /// Of the mix, in tokens, with the template of a chat.
    private static final int LONGEST_PROMPT = 100;

    private final String engine;
    private final Findings findings = new Findings();
    private final File log = File.createTempFile("soak-worker", ".log");
    private final long seed;

    private Soak(String engine, long seed) throws Exception {
        this.engine = engine;
        this.seed = seed;
    }

    public static void main(String[] words) throws Exception {
        var isHostile = words.length > 0 && words[0].equals("hostile");
        var args = isHostile ? Arrays.copyOfRange(words, 1, words.length) : words;
        var minutes = args.length > 0 ? Double.parseDouble(args[0]) : 10;
        var engine = args.length > 1 ? args[1] : "djl";
        var soak = new Soak(engine, args.length > 2 ? Long.parseLong(args[2]) : new Random().nextLong());
        System.out.println((isHostile ? "hostile " : "") + "soak: engine " + engine + ", " + minutes + " minutes, seed "
                + soak.seed + ", worker's log " + soak.log);
        try {
            if (isHostile) {
                new Hostile(engine, minutes, soak.seed, soak.log, soak.findings).run();
            } else {
                soak.run(minutes);
            }
        } catch (Exception e) {
            soak.findings.violation("the soak ended early: " + e);
        }
        soak.findings.summary();
        System.exit(soak.findings.failed() ? 1 : 0);
    }

    private WorkerUnderTest start(String before, File output) throws Exception {
        return WorkerUnderTest.start(WorkerUnderTest.freePort(), before, output, Map.of("ENGINE", engine));
    }

    private void run(double minutes) throws Exception {
        try (var worker = start(":", log)) {
            mix(worker, minutes);
            new Crowds(worker, findings).churn();
            killAndRestart(worker);
        }
        try (var worker = start("ulimit -n " + DESCRIPTOR_LIMIT, log)) {
            new Crowds(worker, findings).tooMany(DESCRIPTOR_LIMIT + 76);
        }
        try (var worker = start(":", new File("/dev/full"));
                var wire = new Wire(worker.port)) {
            var status = wire.send(Wire.post("/generate", Prompts.generate("x", 1, "")))
                    .answer()
                    .status();
            findings.check(status == 200, "with a full disk under its log /generate answers " + status);
            var code = worker.stop();
            findings.check(code == 0 || code == 143, "SIGTERM ends it with " + code);
        }
    }

    private void mix(WorkerUnderTest worker, double minutes) throws Exception {
        // Far more than a client waits for, so that it is the abort that ends it.
        var longAnswer = engine.equals("mock") ? 300_000 : 400;
        // The system gives the cache its memory when it is first written: what grows from here on is something else.
        new Crowds(worker, findings).fillSlots(longAnswer + LONGEST_PROMPT);
        var prompts = new Prompts(!engine.equals("mock"));
        prompts.learn(worker.port);
        var mix = new Mix(worker.port, findings);
        for (var i = 0; i < HONEST; i++) {
            var client = new HonestClient(worker.port, prompts, findings, new Random(seed + i), longAnswer);
            mix.client("honest " + i, client::act);
        }
        for (var i = 0; i < RUDE; i++) {
            var client = new RudeClient(worker.port, findings, new Random(seed - 1 - i), longAnswer);
            mix.client("rude " + i, client::act);
        }
        var pings = mix.ping();
        Thread.sleep(WARM_UP_SECONDS * 1000L);
        var heapBefore = worker.liveHeapKilobytes();
        var samples = new ArrayList<WorkerUnderTest.Sample>();
        var end = System.nanoTime() + (long) (minutes * 60e9);
        while (System.nanoTime() < end && worker.isAlive()) {
            samples.add(worker.sample());
            Thread.sleep(SAMPLE_MILLIS);
        }
        var heapAfter = worker.liveHeapKilobytes();
        mix.stop();
        pings.checkSlowest();
        findings.check(worker.isAlive(), "the worker is alive");
        new Crowds(worker, findings).awaitNone();
        idles(worker);
        new Gauges(worker, findings).areZero();
        findings.check(
                heapAfter <= heapBefore * 1.1 + 4096,
                "live heap " + heapBefore / 1024 + " MiB after the warm-up, " + heapAfter / 1024 + " MiB at the end");
        var trend = new Trend(samples, findings);
        trend.isFlat("threads", WorkerUnderTest.Sample::threads, 1.1, 8);
        trend.isFlat("descriptors", WorkerUnderTest.Sample::descriptors, 1.1, 20);
        trend.isFlat("RSS in KiB", WorkerUnderTest.Sample::rssKilobytes, 1.1, 0);
    }

    private void idles(WorkerUnderTest worker) throws Exception {
        Thread.sleep(1_000);
        var before = worker.cpuMillis();
        Thread.sleep(5_000);
        var used = worker.cpuMillis() - before;
        findings.check(used < 500, "when all clients have left, 5 s cost " + used + " ms of processor time");
    }

    private void killAndRestart(WorkerUnderTest worker) throws Exception {
        try (var wire = new Wire(worker.port).upgrade()) {
            wire.text(Prompts.generate("Count for ever", 400, "")).frame();
            worker.kill();
        }
        try (var again = WorkerUnderTest.start(worker.port, ":", log, Map.of("ENGINE", engine));
                var wire = new Wire(again.port)) {
            var status = wire.send(Wire.post("/generate", Prompts.generate("x", 1, "")))
                    .answer()
                    .status();
            findings.check(status == 200, "after kill -9 and a restart on the same port /generate answers " + status);
            new Crowds(again, findings).idle();
        }
    }
}
