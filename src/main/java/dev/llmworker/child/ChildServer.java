package dev.llmworker.child;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A server in a process of its own: it is started at a free port of loopback, watched, started again when it ends or
/// hangs, and stopped.
///
/// Threading: one thread lives its life and calls the front; any thread closes it.
public final class ChildServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ChildServer.class);
    private static final Duration LOOK = Duration.ofMillis(100);
    /// A look that took longer says that this process did not run.
    private static final Duration LONGEST_LOOK = Duration.ofSeconds(2);
    private static final Duration LAST_LINES = Duration.ofSeconds(1);
    /// The exit status of a shell's child that a signal has ended, less the signal's number.
    private static final int SIGNALLED = 128;

    /// How long to wait for the server, and how often to start it.
    ///
    /// @param start how long a process may take until it is ready
    /// @param silence how long one that was ready may stay unheard
    /// @param settled how long one must have been ready for its end to count as the first in a row
    /// @param firstPause before the next process after one end; it doubles with each
    /// @param failing how many ends in a row mean that the server keeps ending
    public record Limits(
            Duration start,
            Duration silence,
            Duration settled,
            Duration firstPause,
            Duration longestPause,
            int failing) {
        /// @param start how long a process may take until it is ready
        /// @param silence how long one that was ready may stay unheard
        public static Limits of(Duration start, Duration silence) {
            return new Limits(start, silence, Duration.ofSeconds(60), Duration.ofSeconds(1), Duration.ofSeconds(60), 3);
        }
    }

    /// What stands in front of the server and sends it requests.
    public interface Front {
        /// A process begins to run. It will listen at this port of 127.0.0.1.
        void opened(int port);

        /// The process that was opened last has ended, or will be stopped now.
        void closed();

        boolean isReady();

        /// A number that changes whenever the server is heard: it has passed a health check, or has sent a part of an
        /// answer.
        long heard();

        /// The server keeps dying. It is still started again and again.
        ///
        /// @param how it ended last, as the end of a sentence about it
        void failing(String how);

        /// A server that kept dying is ready.
        void recovered();

        /// It cannot be started, now or ever.
        void failed(String reason);

        /// It is started once more.
        void restarted();
    }

    /// Finds what the command needs, such as the model. May take minutes; an interrupt ends it.
    @FunctionalInterface
    public interface Preparation {
        /// @return the words of the command for a port
        /// @throws IOException if it can never be started
        IntFunction<List<String>> prepare() throws IOException, InterruptedException;
    }

    private final Preparation preparation;
    private final Launcher launcher;
    private final Front front;
    private final Limits limits;
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread thread;
    private ChildLife life = ChildLife.first();
    private boolean saidFailing;

    private ChildServer(Preparation preparation, Launcher launcher, Front front, Limits limits) {
        this.preparation = preparation;
        this.launcher = launcher;
        this.front = front;
        this.limits = limits;
        thread = Thread.ofPlatform().daemon().name("engine-server").unstarted(this::live);
    }

    /// Returns at once.
    public static ChildServer start(Preparation preparation, Launcher launcher, Front front, Limits limits) {
        var server = new ChildServer(preparation, launcher, front, limits);
        server.thread.start();
        return server;
    }

    private void live() {
        try {
            var command = preparation.prepare();
            while (!isClosing()) {
                run(command);
            }
        } catch (InterruptedException _) {
            // It is closed.
            Thread.currentThread().interrupt();
        } catch (IOException | RuntimeException e) {
            if (!isClosing()) {
                LOG.debug("the engine's server", e);
                front.failed(String.valueOf(e.getMessage()));
            }
        } catch (Error e) {
            LOG.error("the engine's server is not watched any more", e);
            if (!isClosing()) {
                front.failed(e.toString());
            }
        }
    }

    private boolean isClosing() {
        return closing.getCount() == 0;
    }

    /// One process from its start to its end, and the pause after it.
    private void run(IntFunction<List<String>> command) throws InterruptedException {
        life = life.begun();
        var how = serve(command);
        if (isClosing()) {
            return;
        }
        life = life.died(limits);
        var pause = life.pause(limits);
        LOG.warn("the engine's server {}; it is started again in {} ms", how, pause.toMillis());
        if (life.isFailing(limits) && !saidFailing) {
            saidFailing = true;
            front.failing(how);
        }
        if (!closing.await(pause.toNanos(), TimeUnit.NANOSECONDS)) {
            front.restarted();
        }
    }

    /// @return how the process ended, as the end of a sentence about it
    private String serve(IntFunction<List<String>> command) throws InterruptedException {
        Process process;
        int port;
        List<String> words;
        try {
            // Another one each time: the last one may be in use by now.
            port = freePort();
            words = command.apply(port);
            process = launcher.start(words);
        } catch (IOException e) {
            return "cannot be started: " + e.getMessage();
        }
        Thread output = null;
        try {
            LOG.info("starting the engine's server {} at port {}", words.getFirst(), port);
            output = ChildOutput.reading(process.getInputStream(), line -> LOG.info("engine: {}", line));
            return watch(process, port);
        } finally {
            launcher.stop(process);
            if (output != null) {
                output.join(LAST_LINES);
            }
        }
    }

    private String watch(Process process, int port) throws InterruptedException {
        try {
            front.opened(port);
            return watch(process);
        } finally {
            front.closed();
        }
    }

    private static int freePort() throws IOException {
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }

    private String watch(Process process) throws InterruptedException {
        var last = System.nanoTime();
        while (!process.waitFor(LOOK.toNanos(), TimeUnit.NANOSECONDS)) {
            if (isClosing()) {
                return "is stopped";
            }
            var now = System.nanoTime();
            life = life.looked(Math.min(now - last, LONGEST_LOOK.toNanos()), front.isReady(), front.heard());
            last = now;
            if (life.phase() == ChildLife.Phase.READY && saidFailing) {
                saidFailing = false;
                front.recovered();
            }
            var fault = life.fault(limits);
            if (fault != null) {
                return fault;
            }
        }
        var status = process.exitValue();
        return status > SIGNALLED ? "was killed by signal " + (status - SIGNALLED) : "ended with status " + status;
    }

    /// Stops the process, or the preparation. Returns when nothing of it is left.
    @Override
    public void close() {
        closing.countDown();
        thread.interrupt();
        var interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
