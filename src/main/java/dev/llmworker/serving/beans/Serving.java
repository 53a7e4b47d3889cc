package dev.llmworker.serving.beans;

import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.serving.anthropic.CountTokensProcessor;
import dev.llmworker.serving.anthropic.MessagesProcessor;
import dev.llmworker.serving.camel.AnswerHeaders;
import dev.llmworker.serving.camel.BeforeStop;
import dev.llmworker.serving.camel.ClientPolicy;
import dev.llmworker.serving.camel.OutsideHeaders;
import dev.llmworker.serving.camel.PortHttpEngine;
import dev.llmworker.serving.camel.PortRouter;
import dev.llmworker.serving.camel.PortWebsocketComponent;
import dev.llmworker.serving.camel.RoutePaths;
import dev.llmworker.serving.camel.RouteUse;
import dev.llmworker.serving.camel.StrictJsonFormat;
import dev.llmworker.serving.camel.ThrownErrors;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.PromptTokens;
import dev.llmworker.serving.delivery.TextVectors;
import dev.llmworker.serving.llm.CamelTools;
import dev.llmworker.serving.llm.LlmComponent;
import dev.llmworker.serving.llm.LlmToolComponent;
import dev.llmworker.serving.mcp.McpProcessor;
import dev.llmworker.serving.openai.CompletionProcessor;
import dev.llmworker.serving.openai.EmbeddingsProcessor;
import dev.llmworker.serving.openai.ModelsProcessor;
import dev.llmworker.serving.openai.RerankProcessor;
import dev.llmworker.serving.openai.RoutedCompletion;
import dev.llmworker.serving.port.HttpPort;
import dev.llmworker.serving.responses.ResponseStore;
import dev.llmworker.serving.responses.ResponsesProcessor;
import dev.llmworker.serving.responses.ResponsesSocketProcessor;
import dev.llmworker.serving.responses.StoredResponseProcessor;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.wire.ParsedBody;
import dev.llmworker.stats.PrometheusPage;
import dev.llmworker.stats.WorkerStats;
import java.time.InstantSource;
import java.util.Locale;
import java.util.concurrent.Executors;
import org.apache.camel.Exchange;
import org.apache.camel.Predicate;
import org.apache.camel.component.platform.http.PlatformHttpComponent;
import org.apache.camel.spi.Registry;

/// What YAML routes find by name.
public final class Serving {
    private Serving() {}

    /// Binds the port, the WebSocket component, and the beans that routes are made of: `ping`, `generate`,
    /// `generateOrStream`, `chatCompletions`, `completions`, `messages`, `responses`, `embeddings`, `rerank`,
    /// `models`, `stats`, `metrics`, `page`, `websocket`, `errors`, `template`, `answer`, the language
    /// `prompt`, the data formats `strictJson` and `requestJson`, and what `docs/routes.md` lists.
    public static void bind(
            Registry registry, HttpPort port, Generator generator, WorkerStats stats, PrometheusPage metrics) {
        registry.bind("vertx", port.vertx());
        var router = new PortRouter(port);
        registry.bind(PortRouter.NAME, router);
        var http = new PlatformHttpComponent();
        http.setHeaderFilterStrategy(new AnswerHeaders());
        http.setEngine(new PortHttpEngine());
        registry.bind("platform-http", http);
        registry.bind("vertx-websocket", new PortWebsocketComponent(port, router, stats));
        var generations = new Generations(generator, port.drain(), stats, port.memory(), port.rates());
        registry.bind("drainBeforeStop", new BeforeStop(() -> port.drain().run(stats, generations::endAll)));
        registry.bind("ping", new PingProcessor(generator));
        registry.bind("generate", new GenerateProcessor(generations, GenerateProcessor.Mode.WHOLE));
        registry.bind("stream", new GenerateProcessor(generations, GenerateProcessor.Mode.STREAM));
        registry.bind("generateOrStream", new GenerateProcessor(generations, GenerateProcessor.Mode.AS_ASKED));
        var clock = InstantSource.system();
        var camelTools = new CamelTools();
        registry.bind("camelTools", camelTools);
        var tools = new RouteTools(port.settings().routeTools(), camelTools);
        var vectors = new TextVectors(
                generator,
                generations,
                new PromptTokens(generator, generations, port.settings().requestTimeout()));
        var llm = new LlmComponent.Serving(
                generations, vectors, port.vertx(), tools, port.settings().requestTimeout());
        var routed = new RoutedCompletion(
                tools, generations, port.vertx(), port.settings().requestTimeout());
        registry.bind(
                "chatCompletions",
                new CompletionProcessor(CompletionProcessor.Kind.CHAT, generations, generator, clock, routed));
        registry.bind(
                "completions",
                new CompletionProcessor(CompletionProcessor.Kind.TEXT, generations, generator, clock, routed));
        registry.bind("models", new ModelsProcessor(generator, clock));
        bindMessages(registry, port, generator, generations, tools);
        registry.bind("embeddings", new EmbeddingsProcessor(vectors, generator));
        registry.bind("rerank", new RerankProcessor(vectors, generations, generator));
        bindResponses(registry, port, generator, generations, clock);
        registry.bind("stats", new StatsProcessor(stats));
        registry.bind("metrics", new MetricsProcessor(metrics, port.settings().metricsKeys()));
        registry.bind("page", new PageProcessor());
        registry.bind("websocket", new WebSocketProcessor(generations, port.requests(), port.memory()));
        registry.bind("errors", new ErrorProcessor());
        registry.bind("template", new TemplateProcessor());
        registry.bind("answer", new AnswerProcessor());
        registry.bind("prompt", new PromptLanguage());
        var json = new StrictJsonFormat(port.memory(), _ -> true);
        registry.bind("strictJson", json);
        // Another server may read fields that this worker does not know.
        registry.bind(
                "requestJson",
                generator instanceof OpenAiRelay ? json : new StrictJsonFormat(port.memory(), ParsedBody::isRead));
        registry.bind("jsonAnswer", new AnswerJsonFormat(json));
        registry.bind(
                "mcp",
                new McpProcessor(
                        tools,
                        port.settings().mcpTools(),
                        json::parsedBody,
                        generations,
                        port.settings().requestTimeout(),
                        metrics.version()));
        bindForRoutes(registry, port, llm);
    }

    /// Anthropic's API, and what goes by the model's tokens or by the ids of requests.
    private static void bindMessages(
            Registry registry, HttpPort port, Generator generator, Generations generations, RouteTools tools) {
        var tokens = new PromptTokens(generator, generations, port.settings().requestTimeout());
        registry.bind("messages", new MessagesProcessor(generations, generator));
        registry.bind("countTokens", new CountTokensProcessor(tokens, generator));
        for (var direction : TokenizeProcessor.Direction.values()) {
            registry.bind(
                    direction.name().toLowerCase(Locale.ROOT),
                    new TokenizeProcessor(direction, tokens, generator, tools, port.memory()));
        }
        registry.bind("cancel", new CancelProcessor(port.requests()));
    }

    /// OpenAI's API of responses, and those that are kept.
    private static void bindResponses(
            Registry registry, HttpPort port, Generator generator, Generations generations, InstantSource clock) {
        var capacity = port.settings().capacity();
        var store = new ResponseStore(capacity.responses(), capacity.responsesKept(), clock, port.memory());
        port.everySecond("expired-responses", store::expire);
        registry.bind("responses", new ResponsesProcessor(generations, generator, store, clock));
        registry.bind(
                "responsesWebsocket",
                new ResponsesSocketProcessor(
                        generations,
                        generator,
                        store,
                        clock,
                        port.requests(),
                        port.memory(),
                        port.settings().requestTimeout()));
        for (var action : StoredResponseProcessor.Action.values()) {
            registry.bind(action.bean(), new StoredResponseProcessor(action, store, generations));
        }
    }

    /// What the routes of users are made of, beside the above.
    private static void bindForRoutes(Registry registry, HttpPort port, LlmComponent.Serving llm) {
        registry.bind("llm", new LlmComponent(llm));
        registry.bind("llm-tool", new LlmToolComponent(llm.tools()));
        registry.bind("mergeFields", new MergeFields());
        registry.bind(
                "routePaths", new RoutePaths(port.pathRules(), port.settings().healthPaths()));
        registry.bind("outsideHeaders", new OutsideHeaders());
        registry.bind("clientPolicy", new ClientPolicy(port.quietStreams(), port.requests()));
        registry.bind("thrownErrors", new ThrownErrors());
        registry.bind("clientWaits", (Predicate) Serving::clientWaits);
        registry.bind("routeUse", new RouteUse.Counters());
        registry.bind("virtualThreads", Executors.newVirtualThreadPerTaskExecutor());
    }

    /// Whether an exchange came by HTTP or WebSocket, so that a client gets the error. Otherwise the source of
    /// the route gets the failure: a file stays, a message goes back to its queue.
    private static boolean clientWaits(Exchange exchange) {
        var source = exchange.getFromEndpoint();
        var uri = source == null ? "" : source.getEndpointUri();
        return uri.startsWith("platform-http:") || uri.startsWith("vertx-websocket:");
    }
}
