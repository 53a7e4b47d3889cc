package dev.llmworker.soak;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;

/// The worker as a process of its own, and what the system says of it.
final class WorkerUnderTest implements AutoCloseable {
    private static final int START_SECONDS = 240;
    private static final int LARGEST = 20;
    private static final Pattern TOTAL = Pattern.compile("(?m)^Total +\\d+ +(\\d+)");

    final int port;
    private final Process process;

    /// @param rssKilobytes resident memory
    record Sample(int threads, int descriptors, long rssKilobytes) {
        /// The larger one of each figure.
        Sample max(Sample other) {
            return new Sample(
                    Math.max(threads, other.threads),
                    Math.max(descriptors, other.descriptors),
                    Math.max(rssKilobytes, other.rssKilobytes));
        }

        @Override
        public String toString() {
            return threads + " threads, " + descriptors + " descriptors, " + rssKilobytes / 1024 + " MiB";
        }
    }

    private WorkerUnderTest(int port, Process process) {
        this.port = port;
        this.process = process;
    }

    static int freePort() throws IOException {
        try (var socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /// Starts `./worker` on `port` and waits until it serves.
    ///
    /// @param before what the shell does first: `ulimit -n 1024`
    /// @param log where its lines go
    /// @param environment settings; `PORT_HEALTH` if its port has TLS
    static WorkerUnderTest start(int port, String before, File log, Map<String, String> environment) throws Exception {
        var builder = new ProcessBuilder("bash", "-c", before + "; exec ./worker")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log));
        builder.environment().putAll(environment);
        builder.environment().putAll(Map.of("PORT", Integer.toString(port), "HOST", "127.0.0.1"));
        builder.environment().putAll(Map.of("DETERMINISTIC", "true", "API_KEYS", "another-key-0123456789," + Wire.KEY));
        var worker = new WorkerUnderTest(port, builder.start());
        worker.awaitServing(Integer.parseInt(environment.getOrDefault("PORT_HEALTH", Integer.toString(port))));
        return worker;
    }

    private void awaitServing(int healthPort) throws Exception {
        var end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (System.nanoTime() < end) {
            if (!process.isAlive()) {
                throw new IOException("the worker ended with " + process.exitValue());
            }
            try (var wire = new Wire(healthPort)) {
                if (wire.send(Wire.get("/ping")).answer().status() == 200) {
                    return;
                }
            } catch (IOException _) {
                // It does not listen yet.
            }
            Thread.sleep(100);
        }
        throw new IOException("the worker does not serve after " + START_SECONDS + " seconds");
    }

    Sample sample() throws IOException {
        var proc = Path.of("/proc", Long.toString(process.pid()));
        var status = Files.readAllLines(proc.resolve("status"));
        var descriptors = proc.resolve("fd").toFile().list();
        return new Sample(
                (int) figure(status, "Threads:"),
                descriptors == null ? 0 : descriptors.length,
                figure(status, "VmRSS:"));
    }

    private static long figure(List<String> status, String name) {
        return status.stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.replaceAll("\\D+", ""))
                .mapToLong(Long::parseLong)
                .findFirst()
                .orElse(0);
    }

    /// Processor time that it has used.
    long cpuMillis() {
        return process.info().totalCpuDuration().orElseThrow().toMillis();
    }

    /// What a collection leaves in the heap, counted in the same pause: between two commands a busy worker allocates
    /// megabytes.
    long liveHeapKilobytes() throws Exception {
        // What hangs on soft and phantom references goes with the second collection.
        jcmd("GC.run");
        var total = TOTAL.matcher(jcmd("GC.class_histogram"));
        if (!total.find()) {
            throw new IllegalStateException("the histogram has no total");
        }
        return Long.parseLong(total.group(1)) / 1024;
    }

    /// The classes that hold the most of the heap.
    List<String> largestClasses() throws Exception {
        return jcmd("GC.class_histogram").lines().limit(LARGEST).toList();
    }

    private String jcmd(String command) throws Exception {
        var jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        var run = new ProcessBuilder(jcmd, Long.toString(process.pid()), command)
                .redirectErrorStream(true)
                .start();
        var text = new String(run.getInputStream().readAllBytes());
        run.waitFor();
        return text;
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /// `kill -9`
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /// SIGTERM.
    ///
    /// @return the exit code; -1 where it does not end
    int stop() throws InterruptedException {
        process.destroy();
        return process.waitFor(60, TimeUnit.SECONDS) ? process.exitValue() : -1;
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
