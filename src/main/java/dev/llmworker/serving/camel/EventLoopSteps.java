package dev.llmworker.serving.camel;

import org.apache.camel.Route;
import org.apache.camel.model.DataFormatDefinition;
import org.apache.camel.model.MarshalDefinition;
import org.apache.camel.model.OnExceptionDefinition;
import org.apache.camel.model.ProcessDefinition;
import org.apache.camel.model.ProcessorDefinition;
import org.apache.camel.model.RouteDefinition;
import org.apache.camel.model.UnmarshalDefinition;
import org.apache.camel.model.dataformat.CustomDataFormat;
import org.jspecify.annotations.Nullable;

/// Tells by a route's file whether it may begin on an event loop.
final class EventLoopSteps {
    private EventLoopSteps() {}

    /// Whether each step, as the route's file has it, is an [EventLoopProcessor], or reads or writes JSON. What a route
    /// does with a failure does not count: these steps have none of their own.
    static boolean areAllOf(Route route) {
        return route.getRoute() instanceof RouteDefinition definition
                && definition.getOutputs().stream()
                        .filter(step -> !(step instanceof OnExceptionDefinition))
                        .allMatch(step -> isOne(step, route));
    }

    private static boolean isOne(ProcessorDefinition<?> step, Route route) {
        return switch (step) {
            case ProcessDefinition process -> bound(process.getRef(), route) instanceof EventLoopProcessor;
            case UnmarshalDefinition unmarshal -> isJson(unmarshal.getDataFormatType(), route);
            case MarshalDefinition marshal -> isJson(marshal.getDataFormatType(), route);
            default -> false;
        };
    }

    private static boolean isJson(@Nullable DataFormatDefinition format, Route route) {
        return format instanceof CustomDataFormat custom && bound(custom.getRef(), route) instanceof StrictJsonFormat;
    }

    private static @Nullable Object bound(@Nullable String name, Route route) {
        return name == null ? null : route.getCamelContext().getRegistry().lookupByName(name);
    }
}
