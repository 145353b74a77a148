"""A pytest plugin that lets scikit-learn's tests of its MLP classes test fastnn2's classes."""

import sklearn.neural_network

import fastnn2

sklearn.neural_network.MLPClassifier = fastnn2.MLPClassifier
sklearn.neural_network.MLPRegressor = fastnn2.MLPRegressor
