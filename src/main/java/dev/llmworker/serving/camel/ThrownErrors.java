package dev.llmworker.serving.camel;

import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.camel.AsyncCallback;
import org.apache.camel.CamelContext;
import org.apache.camel.Exchange;
import org.apache.camel.NamedNode;
import org.apache.camel.Processor;
import org.apache.camel.spi.InterceptStrategy;
import org.apache.camel.support.processor.DelegateAsyncProcessor;
import org.jspecify.annotations.Nullable;

/// An [Error] that a step throws ends its exchange as an exception does. Camel lets it through instead, and then counts
/// the exchange as running in its route for ever: the exchange stays in memory, and the route waits for it when it
/// stops. Camel finds this class by its type in the registry.
public final class ThrownErrors implements InterceptStrategy {
    @Override
    public Processor wrapProcessorInInterceptors(
            CamelContext context, NamedNode step, Processor target, @Nullable Processor next) {
        return new DelegateAsyncProcessor(target) {
            @Override
            public boolean process(Exchange exchange, AsyncCallback callback) {
                var later = new Later(callback);
                try {
                    if (!super.process(exchange, later)) {
                        return false;
                    }
                } catch (Error e) {
                    exchange.setException(e);
                    if (!later.tells()) {
                        return false;
                    }
                }
                callback.done(true);
                return true;
            }
        };
    }

    /// Passes on the end of a step that ends on another thread. If a step ends on this thread, Camel reports its
    /// end before the step's Error arrives. [ThrownErrors] therefore reports that end itself, when the step has
    /// returned.
    private static final class Later implements AsyncCallback {
        private final AsyncCallback callback;
        private final AtomicBoolean told = new AtomicBoolean();

        Later(AsyncCallback callback) {
            this.callback = callback;
        }

        @Override
        public void done(boolean sync) {
            if (!sync && tells()) {
                callback.done(false);
            }
        }

        /// Whether the end has not been told yet. From now on it has.
        boolean tells() {
            return told.compareAndSet(false, true);
        }
    }
}
