package dev.llmworker.serving.llm;

import dev.llmworker.serving.tools.RouteTool;
import dev.llmworker.text.chat.Tool;
import dev.llmworker.text.chat.ToolArguments;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.support.DefaultConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The tools that Camel's component `ai-tool` keeps, if `camel-ai-tool` is on the class path. The worker is built
/// without that module, so it finds the registry by its name. Camel's own executor runs a call, because it may check
/// first whether the caller is allowed to make it.
///
/// Threading: any thread.
public final class CamelTools implements Supplier<List<RouteTool>>, CamelContextAware {
    private static final Logger LOG = LoggerFactory.getLogger(CamelTools.class);
    private static final String PACKAGE = "org.apache.camel.component.ai.tool.";

    private @Nullable CamelContext context;
    private @Nullable Optional<Api> api;
    private final Map<Object, Known> known = new IdentityHashMap<>();
    private long seen;

    /// What is used of the module.
    ///
    /// @param registry gets the registry of a context
    /// @param execute runs a tool with arguments in an exchange
    private record Api(Method registry, Method execute) {
        static Optional<Api> of(CamelContext context) {
            var classes = context.getClassResolver();
            var registry = classes.resolveClass(PACKAGE + "AiToolRegistry");
            if (registry == null) {
                return Optional.empty();
            }
            try {
                return Optional.of(new Api(
                        registry.getMethod("getOrCreate", CamelContext.class),
                        classes.resolveMandatoryClass(PACKAGE + "AiToolExecutor")
                                .getMethod(
                                        "execute",
                                        classes.resolveMandatoryClass(PACKAGE + "AiToolSpec"),
                                        Map.class,
                                        Exchange.class)));
            } catch (ReflectiveOperationException e) {
                LOG.warn(
                        "the tools of camel-ai-tool are not offered, because this version has another API: {}", e + "");
                return Optional.empty();
            }
        }
    }

    /// A tool that has been seen.
    ///
    /// @param order grows with each tool
    /// @param arguments what a call must look like; empty if that cannot be enforced
    private record Known(long order, Optional<ToolArguments> arguments) {}

    /// One of them.
    ///
    /// @param spec what the module has of it
    private record CamelTool(Api api, Object spec, ToolArguments arguments, Set<String> tags) implements RouteTool {
        private DefaultConsumer consumer() {
            return (DefaultConsumer) Objects.requireNonNull(member(spec, "getConsumer"));
        }

        @Override
        public String route() {
            return consumer().getRouteId();
        }

        @Override
        public boolean isSuspended() {
            return false;
        }

        @Override
        public String call(Map<String, @Nullable Object> values, Exchange caller) throws Exception {
            var consumer = consumer();
            var exchange = LlmToolConsumer.exchange(consumer, caller);
            try {
                var result = Objects.requireNonNull(invoke(api.execute, null, spec, values, exchange));
                return switch (result.getClass().getSimpleName()) {
                    case "Success" -> String.valueOf(member(result, "value"));
                    case "ExecutionError" -> throw (Exception) Objects.requireNonNull(member(result, "cause"));
                    // The arguments do not fit, or the caller may not make this call.
                    default -> throw new IllegalStateException(String.valueOf(member(result, "message")));
                };
            } finally {
                consumer.releaseExchange(exchange, false);
            }
        }
    }

    @Override
    public synchronized void setCamelContext(@Nullable CamelContext camelContext) {
        context = camelContext;
    }

    @Override
    public synchronized @Nullable CamelContext getCamelContext() {
        return context;
    }

    /// The tools that are there now.
    @Override
    public synchronized List<RouteTool> get() {
        var own = context;
        if (own == null) {
            return List.of();
        }
        var found = api;
        if (found == null) {
            found = Api.of(own);
            api = found;
        }
        return found.map(module -> tools(module, own)).orElse(List.of());
    }

    private List<RouteTool> tools(Api found, CamelContext context) {
        var registry = Objects.requireNonNull(invoke(found.registry, null, context));
        var tags = new IdentityHashMap<Object, Set<String>>();
        for (var spec : (Set<?>) Objects.requireNonNull(member(registry, "getDefaultTools"))) {
            tags.put(spec, new HashSet<>());
        }
        ((Map<?, ?>) Objects.requireNonNull(member(registry, "getTools"))).forEach((tag, specs) -> {
            for (var spec : (Set<?>) specs) {
                tags.computeIfAbsent(spec, _ -> new HashSet<>()).add(String.valueOf(tag));
            }
        });
        known.keySet().retainAll(tags.keySet());
        tags.keySet().forEach(spec -> known.computeIfAbsent(spec, it -> new Known(seen++, arguments(it))));
        // While a route is reloaded, its old and its new version are there.
        var newest = new HashMap<List<String>, RouteTool>();
        known.entrySet().stream()
                .sorted(Comparator.comparingLong(entry -> entry.getValue().order))
                .forEach(entry -> entry.getValue().arguments.ifPresent(arguments -> {
                    var spec = entry.getKey();
                    var own = Set.copyOf(Objects.requireNonNull(tags.get(spec)));
                    var tool = new CamelTool(found, spec, arguments, own);
                    newest.put(List.of(arguments.tool().name(), tool.route()), tool);
                }));
        return List.copyOf(newest.values());
    }

    /// Empty if the model could not be held to what the tool declares.
    private static Optional<ToolArguments> arguments(Object spec) {
        var name = String.valueOf(member(spec, "getName"));
        var description = member(spec, "getDescription") instanceof String text ? text : name;
        try {
            return Optional.of(ToolDeclaration.arguments(
                    member(spec, "getParametersJsonSchema") instanceof String schema
                            ? new Tool(name, description, schema, false)
                            : new Tool(name, description)));
        } catch (IllegalArgumentException e) {
            LOG.warn("the tool {} of camel-ai-tool is not offered: {}", name, e.getMessage());
            return Optional.empty();
        }
    }

    private static @Nullable Object member(Object object, String method) {
        try {
            return invoke(object.getClass().getMethod(method), object);
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException("this version of camel-ai-tool has another API", e);
        }
    }

    private static @Nullable Object invoke(Method method, @Nullable Object object, Object... arguments) {
        try {
            return method.invoke(object, arguments);
        } catch (InvocationTargetException e) {
            throw new IllegalStateException(e.getCause());
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }
}
