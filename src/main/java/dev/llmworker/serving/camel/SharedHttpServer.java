package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.SharedPort;
import org.apache.camel.component.platform.http.main.MainHttpServer;
import org.apache.camel.support.service.ServiceHelper;

/// Camel's HTTP server on the [SharedPort]. A [MainHttpServer], because Camel JBang opens a second one where the
/// context has none.
final class SharedHttpServer extends MainHttpServer {
    private final SharedPort port;

    SharedHttpServer(SharedPort port) {
        this.port = port;
    }

    @Override
    protected void doInit() throws Exception {
        getCamelContext().addService(new SharedPlatformServer(getConfiguration(), port));
    }

    @Override
    protected void doStart() throws Exception {
        ServiceHelper.startService(getCamelContext().hasService(SharedPlatformServer.class));
        super.doStart();
    }

    /// The worker says at its start where it serves; Camel need not.
    @Override
    protected void setupStartupSummary() {}
}
