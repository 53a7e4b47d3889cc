package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.Generation;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.generation.Readiness;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Which thread runs a route: the event loop only where no step can hold it up.
class RequestThreadsTest {
    private static final String EVENT_LOOP = "vert.x-eventloop-thread-";
    private static final String VIRTUAL = "request-";

    @TempDir
    Path folder;

    /// Remembers who asked last whether it is ready, which the bean `ping` does on each request, and who submitted.
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
            assertEquals(200, worker.post("/generate", "{\"prompt\":\"x\"}").statusCode());
            assertTrue(generator.thread.startsWith(VIRTUAL), generator.thread);
        }
    }
}
