package dev.llmworker.serving.port;

import io.vertx.core.spi.ExecutorServiceFactory;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;

/// Runs what Vert.x runs beside its event loops on virtual threads. Camel takes one of these for each request, and the
/// usual 20 would be the most generations that could be read at once.
public final class VirtualWorkers implements ExecutorServiceFactory {
    @Override
    public ExecutorService createExecutor(ThreadFactory threads, Integer concurrency, Integer maxConcurrency) {
        return Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("request-", 0).factory());
    }
}
