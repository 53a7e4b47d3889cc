package dev.llmworker.serving.camel;

import org.apache.camel.spi.CamelEvent;
import org.apache.camel.support.SimpleEventNotifierSupport;

/// Runs something before Camel stops its routes. Camel waits until it returns.
public final class BeforeStop extends SimpleEventNotifierSupport {
    private final Runnable action;

    public BeforeStop(Runnable action) {
        this.action = action;
        setIgnoreCamelContextEvents(false);
    }

    @Override
    public boolean isEnabled(CamelEvent event) {
        return event instanceof CamelEvent.CamelContextStoppingEvent;
    }

    @Override
    public void notify(CamelEvent event) {
        action.run();
    }
}
