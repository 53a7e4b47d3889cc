package dev.llmworker.serving.camel;

import dev.llmworker.serving.port.SharedPort;
import org.apache.camel.CamelContext;
import org.apache.camel.Service;
import org.apache.camel.component.platform.http.main.DefaultMainHttpServerFactory;
import org.apache.camel.main.HttpServerConfigurationProperties;

/// Camel finds it by its type in the registry, in Camel Main as in Camel JBang.
public final class SharedHttpServerFactory extends DefaultMainHttpServerFactory {
    private final SharedPort port;

    public SharedHttpServerFactory(SharedPort port) {
        this.port = port;
    }

    @Override
    public Service newHttpServer(CamelContext context, HttpServerConfigurationProperties configuration) {
        var server = new SharedHttpServer(port);
        server.setCamelContext(context);
        server.setHost(configuration.getHost());
        server.setPort(configuration.getPort());
        server.setPath(configuration.getPath());
        server.setMaxBodySize((long) port.maxBodyBytes());
        server.setFileUploadEnabled(false);
        return server;
    }
}
