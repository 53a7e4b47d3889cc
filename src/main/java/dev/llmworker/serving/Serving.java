package dev.llmworker.serving;

import dev.llmworker.generation.Generator;
import dev.llmworker.stats.WorkerStats;
import java.time.InstantSource;
import org.apache.camel.component.platform.http.PlatformHttpComponent;
import org.apache.camel.spi.Registry;

/// What YAML routes find by name.
public final class Serving {
    private Serving() {}

    /// Binds the port, the WebSocket component, and the beans that routes are made of: `ping`, `generate`,
    /// `generateOrStream`, `chatCompletions`, `completions`, `models`, `stats`, `websocket`, `errors`, `template`,
    /// `answer`, and the data format `strictJson`.
    public static void bind(Registry registry, SharedPort port, Generator generator, WorkerStats stats) {
        registry.bind("vertx", port.vertx());
        registry.bind("sharedHttpServerFactory", new SharedHttpServerFactory(port));
        var http = new PlatformHttpComponent();
        http.setHeaderFilterStrategy(new AnswerHeaders());
        registry.bind("platform-http", http);
        registry.bind("vertx-websocket", new SharedWebsocketComponent(stats));
        var generations = new Generations(generator, stats);
        registry.bind("ping", new PingProcessor(generator));
        registry.bind("generate", new GenerateProcessor(generations, false));
        registry.bind("generateOrStream", new GenerateProcessor(generations, true));
        var clock = InstantSource.system();
        registry.bind(
                "chatCompletions",
                new CompletionProcessor(CompletionProcessor.Kind.CHAT, generations, generator, clock));
        registry.bind(
                "completions", new CompletionProcessor(CompletionProcessor.Kind.TEXT, generations, generator, clock));
        registry.bind("models", new ModelsProcessor(generator, clock));
        registry.bind("stats", new StatsProcessor(stats));
        registry.bind("websocket", new WebSocketProcessor(generations));
        registry.bind("errors", new ErrorProcessor());
        registry.bind("template", new TemplateProcessor());
        registry.bind("answer", new AnswerProcessor());
        registry.bind("strictJson", new StrictJsonFormat());
    }
}
