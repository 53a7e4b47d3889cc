package dev.llmworker.serving.camel;

import org.apache.camel.spi.CamelEvent;
import org.apache.camel.support.SimpleEventNotifierSupport;

/// Drains the worker before Camel stops its routes. Camel waits until it returns.
public final class DrainBeforeStop extends SimpleEventNotifierSupport {
    private final Runnable drain;

    public DrainBeforeStop(Runnable drain) {
        this.drain = drain;
        setIgnoreCamelContextEvents(false);
    }

    @Override
    public boolean isEnabled(CamelEvent event) {
        return event instanceof CamelEvent.CamelContextStoppingEvent;
    }

    @Override
    public void notify(CamelEvent event) {
        drain.run();
    }
}
