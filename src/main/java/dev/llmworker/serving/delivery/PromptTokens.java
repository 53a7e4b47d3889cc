package dev.llmworker.serving.delivery;

import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.ModelTokens;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.tools.Tool;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Tells clients the tokens of a prompt. The work ends when the client disconnects.
///
/// Threading: any thread but an event loop.
public final class PromptTokens {
    private final Generator generator;
    private final Generations generations;
    private final Duration timeout;

    /// @param timeout for one prompt
    public PromptTokens(Generator generator, Generations generations, Duration timeout) {
        this.generator = generator;
        this.generations = generations;
        this.timeout = timeout;
    }

    /// How many tokens the prompt of a request has. If only another server knows, it generates one token to say it.
    ///
    /// @param request of one token
    public int count(GenerationRequest request, Caller caller) {
        if (generator instanceof ModelTokens model) {
            var parts = request.parts();
            var tools = parts == null ? List.<Tool>of() : parts.tools().offered();
            return encode(model, request.prompt(), ModelTokens.Beginning.PROMPT, tools, caller.client()).length;
        }
        var tokens =
                new WholeAnswer(caller).run(generations, request).finished().promptTokens();
        if (tokens == 0) {
            throw new RequestException(JsonError.of(
                    502, "engine_failed", "the engine's server does not say how many tokens the prompt has"));
        }
        return tokens;
    }

    /// The model's tokenizer.
    ///
    /// @param what the client asks for, for errors
    /// @throws RequestException if the worker has none
    public ModelTokens model(String what) {
        if (generator instanceof ModelTokens model) {
            return model;
        }
        throw RequestException.invalid(
                what + " is not supported with this engine: the worker does not have the model's tokenizer");
    }

    /// The tokens of a prompt.
    ///
    /// @param beginning of a raw prompt
    /// @param tools that a conversation offers the model
    public int[] encode(
            ModelTokens model, Prompt prompt, ModelTokens.Beginning beginning, List<Tool> tools, Client client) {
        try (var held = generations.hold()) {
            held.take(GenerationRequest.encodingBytes(prompt, tools));
            return await(model.encode(prompt, beginning, tools), client);
        }
    }

    /// Waits until a text is encoded, which ends when nobody wants it any more.
    <T> T await(Future<T> encoding, Client client) {
        try (var _ = client.onUnwanted(() -> encoding.cancel(true))) {
            return encoding.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException refused) {
                throw refused;
            }
            throw new IllegalStateException("the prompt was not encoded", e.getCause());
        } catch (TimeoutException _) {
            throw new RequestException(
                    JsonError.of(504, "timeout", "the prompt was not encoded within " + timeout.toSeconds() + " s"));
        } catch (CancellationException _) {
            throw new CancellationException("the request was cancelled");
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the worker is stopping");
        } finally {
            encoding.cancel(true);
        }
    }
}
