/// A generator that uses servers that speak OpenAI's API: vLLM, Ray Serve, llama.cpp's server and the like.
@NullMarked
package dev.llmworker.remote;

import org.jspecify.annotations.NullMarked;
