package dev.llmworker.serving.camel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Readiness;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Which thread runs a route: the event loop only if no step can wait.
class RequestThreadsTest {
    private static final String EVENT_LOOP = "vert.x-eventloop-thread-";
    private static final String VIRTUAL = "request-";

    @TempDir
    Path folder;

    /// Remembers the thread that last asked whether it is ready, as the bean `ping` does, or that submitted a request.
    private static final class Watching implements Generator {
        private final MockGenerator mock = new MockGenerator();
        volatile String thread = "";

        @Override
        public Generation submit(GenerationRequest request) {
            thread = Thread.currentThread().getName();
            return mock.submit(request);
        }

        @Override
        public Readiness readiness() {
            thread = Thread.currentThread().getName();
            return mock.readiness();
        }

        @Override
        public Optional<String> modelId() {
            return mock.modelId();
        }

        @Override
        public void close() {}
    }

    private String threadOf(String path) throws Exception {
        var generator = new Watching();
        try (var worker = RunningWorker.with(generator, folder)) {
            assertEquals(200, worker.get(path).statusCode(), path);
            return generator.thread;
        }
    }

    private void assertLeavesTheEventLoop(String path, String why) throws Exception {
        var thread = threadOf(path);
        assertFalse(thread.isEmpty() || thread.startsWith(EVENT_LOOP), why + " ran on " + thread);
    }

    @Test
    void pingStaysOnTheEventLoop() throws Exception {
        RouteFolder.in(folder);
        assertTrue(threadOf("/ping").startsWith(EVENT_LOOP));
    }

    @Test
    void aRouteWithAnyOtherStepHasAThreadOfItsOwn() throws Exception {
        RouteFolder.in(folder)
                .route("delayed", "platform-http:/delayed", "process: {ref: ping}", "delay: {constant: '1'}")
                .route("called", "platform-http:/called", "to: direct:waits")
                .route("waits", "direct:waits", "process: {ref: ping}")
                .route("header", "platform-http:/header", "setHeader: {name: x, constant: y}", "process: {ref: ping}");
        assertLeavesTheEventLoop("/delayed", "delayed");
        assertLeavesTheEventLoop("/called", "called");
        assertLeavesTheEventLoop("/header", "header");
    }

    @Test
    void whatAConfigurationAddsToEveryRouteCountsAsAStepOfEach() throws Exception {
        for (var added : new String[] {"intercept", "interceptFrom", "onCompletion"}) {
            RouteFolder.in(folder);
            var configuration = Files.readString(folder.resolve("errors.camel.yaml"));
            new RouteFolder(folder).write("errors", configuration + """
                        %s:
                          - %s:
                              steps:
                                - delay: {constant: '1'}
                    """.formatted(added, added));
            assertLeavesTheEventLoop("/ping", added);
        }
    }

    @Test
    void aGenerationHasAThreadOfItsOwn() throws Exception {
        var generator = new Watching();
        try (var worker = RunningWorker.with(generator)) {
            assertEquals(
                    "{\"generated_text\":\"Response to: 'x' (tokens=3, temp=0.7, request #1)\"}",
                    worker.post("/generate", "{\"prompt\":\"x\",\"max_tokens\":3}")
                            .body());
            assertTrue(generator.thread.startsWith(VIRTUAL), generator.thread);
        }
    }

    @Test
    void anErrorThatABugThrowsIsAnswered() throws Exception {
        for (var path : List.of("/generate", "/v1/completions")) {
            try (var worker = RunningWorker.with(new Broken())) {
                assertEquals(500, worker.post(path, "{\"prompt\":\"x\"}").statusCode());
                assertNothingRuns(worker);
            }
        }
    }

    @Test
    void anErrorThatABugThrowsOnTheEventLoopIsAnswered() throws Exception {
        try (var worker = RunningWorker.with(new Broken())) {
            assertEquals(500, worker.get("/ping").statusCode());
            assertNothingRuns(worker);
        }
    }

    /// Camel would keep the exchange in memory, and wait for it when the route stops.
    private static void assertNothingRuns(RunningWorker worker) {
        var running = worker.context().getInflightRepository();
        Await.until(
                "nothing runs in the route",
                () -> worker.context().getRoutes().stream().allMatch(route -> running.size(route.getRouteId()) == 0));
    }

    private record Broken() implements Generator {
        @Override
        public Generation submit(GenerationRequest request) {
            throw new AssertionError("a bug");
        }

        @Override
        public Readiness readiness() {
            throw new AssertionError("a bug");
        }

        @Override
        public Optional<String> modelId() {
            return Optional.empty();
        }

        @Override
        public void close() {}
    }
}
