package dev.llmworker.serving.port;

import io.vertx.core.spi.ExecutorServiceFactory;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;

/// Makes Vert.x run its blocking work on virtual threads. Each request takes one, and with Vert.x's usual pool of 20
/// threads only 20 generations could run at once.
public final class VirtualWorkers implements ExecutorServiceFactory {
    @Override
    public ExecutorService createExecutor(ThreadFactory threads, Integer concurrency, Integer maxConcurrency) {
        return Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("request-", 0).factory());
    }
}
